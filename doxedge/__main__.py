"""`python -m doxedge` is the same program as `doxedge`."""

from doxedge.cli.main import main

raise SystemExit(main())
