"""The local AWS emulator: MiniStack in an environment of its own, patched where AWS differs.

``launcher`` runs in the project's environment and starts it. ``start``, ``patches`` and
``runtime`` run in the emulator's environment (``runtime`` in the function processes it starts)
and may import nothing but the standard library, MiniStack and each other.
"""
