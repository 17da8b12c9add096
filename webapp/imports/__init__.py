"""Imports of contacts from CSV and XLSX, with preview, progress and undo."""
