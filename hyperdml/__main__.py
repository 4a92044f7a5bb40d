"""`python -m hyperdml`, the same as `hyperdml`; what `torchrun -m hyperdml` starts."""

from hyperdml.cli import main

if __name__ == "__main__":
    main()
