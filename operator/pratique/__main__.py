"""``python -m pratique``: the same as the command ``pratique``."""

from .cli import main

if __name__ == "__main__":
    main()
