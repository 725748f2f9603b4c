"""`python -m mixcli` is the command `mixcli`."""

from mixcli.cli.main import main

main()
