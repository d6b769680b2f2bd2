"""`python -m bisect_asgi` is the `bisect-asgi` command."""

from bisect_asgi.cli.app import main

if __name__ == "__main__":
    main()
