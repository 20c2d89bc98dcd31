"""The business processes that come with Isthmus, and what they are decided by.

:mod:`isthmus.desk.ports` says what business code needs of the hub; everything that decides is a plain function.
"""
