"""The whole truth about each vendor, one folder each: `api` (endpoints), `models` (answers), `options`."""
