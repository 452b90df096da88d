"""Tests of the package crm."""
