"""A sample workspace in which mail keeps arriving: `python app.py demo`. Known by the command line alone."""
