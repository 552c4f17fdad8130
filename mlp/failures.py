"""Failures of what is around a process: its files, its disks and its memory."""

from __future__ import annotations

import errno

KEPT = "what was recorded is kept: repeat the command to go on"
_ROOM = f"make room, or name another place; {KEPT}"
_ALLOW = "allow that, or name another place"
# Failures of files that a person can do something about, by their names in errno
_ADVICE = {
    **dict.fromkeys(("ENOSPC", "EDQUOT", "EFBIG", "EIO"), _ROOM),
    **dict.fromkeys(("EACCES", "EPERM", "EROFS"), f"{_ALLOW}; {KEPT}"),
    **dict.fromkeys(("EMFILE", "ENFILE"), f"allow more of them (ulimit -n); {KEPT}"),
    **dict.fromkeys(("ENOTDIR", "EEXIST", "EISDIR", "ENAMETOOLONG"), "name another place"),
}
# PyTorch's, CUDA's, OpenCV's and the system's words for it
_NO_MEMORY = ("not enough memory", "allocate memory", "insufficient memory", "out of memory",
              "bad_alloc", "alloc_failed")  # fmt: skip


def advice(error: BaseException | None) -> str:
    """Advice on a file that cannot be read or written; empty where there is none."""
    name = errno.errorcode.get(error.errno or 0, "") if isinstance(error, OSError) else ""
    return _ADVICE.get(name, "")


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that no memory was left, here or on a GPU."""
    told = isinstance(error, RuntimeError | OSError) or type(error).__module__.startswith("cv2")
    words = told and any(text in str(error).lower() for text in _NO_MEMORY)
    return isinstance(error, MemoryError) or words
