"""The CloudFormation template, one module for each concern; see :func:`build.build_template`.

Nothing is imported here: the commands read names of this package, and most of them build no
template.
"""
