"""`python -m pratique_testbed`."""

import sys

from pratique_testbed.cli import main

sys.exit(main())
