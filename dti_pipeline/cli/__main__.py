"""`python -m dti_pipeline.cli`."""

from dti_pipeline.cli import main

if __name__ == "__main__":
    main()
