"""The MLflow mirror: made from results/ alone, brought up to date by `svrn track sync`, rebuilt when it is lost.

A training writes its own log and never speaks to a tracker (docs/decisions/0006-tracking.md). Only this package
imports MLflow.
"""
