"""The pages: each module has the routes of one subject and prepares what its templates show."""
