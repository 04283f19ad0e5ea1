"""Raises what no `except Exception` catches."""


class Disaster(BaseException):
    """Of this plugin alone."""


raise Disaster("all is lost")
