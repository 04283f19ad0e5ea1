"""`python -m spivae` is `spivae`."""

import sys

from spivae.cli import main

if __name__ == "__main__":
    sys.exit(main())
