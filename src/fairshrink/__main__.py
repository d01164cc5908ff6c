"""`python -m fairshrink`, and `torchrun -m fairshrink`."""

from fairshrink.cli import main

if __name__ == "__main__":
    main()
