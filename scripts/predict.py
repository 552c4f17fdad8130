"""Classify images: `python -m scripts.predict --model models:/photos@champion new/*.jpg`."""

from mlp.commands.predict import predict

__all__ = ["predict"]

if __name__ == "__main__":
    predict()
