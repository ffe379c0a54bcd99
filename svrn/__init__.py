"""A traceable reproduction of SVRN, the Salience-Navigated Vehicle Re-identification Network."""

__version__ = "0.2.0"
