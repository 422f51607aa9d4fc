"""Deploys a pipeline and tears it down: settings, packaging, plan, steps, executors.

Plan, then act. ``settings_file`` reads what the user wrote; ``packaging`` and ``stack_build`` build
zips and templates; ``template_diff`` and ``change_set`` find what would change, and ``stack_diff``
merges both into the review that ``planner`` puts into a plan. ``steps`` decides the order of the
steps as data; ``executor`` and ``teardown`` execute them. ``deploy`` is the order of all of it.
Nothing here prints: a ``Listener`` receives the progress.
"""
