"""Tests of web: pages, permissions and browsers."""
