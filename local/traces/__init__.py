"""A stand-in for the X-Ray daemon and the X-Ray API: takes segments, keeps them, answers questions.

``store`` keeps segment documents in SQLite and puts traces together, ``daemon`` takes them over
UDP and serves the API over HTTP, ``launcher`` starts that program as a child.
"""
