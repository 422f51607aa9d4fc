"""The second, optional template: what only AWS can host, beside the pipeline's own stack.

Nothing is imported here: the commands read its settings, and most of them build no template.
"""
