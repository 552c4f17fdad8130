"""Small studies, as those of tests/study."""

from tests.study.conftest import make_study as make_study
