"""National public service portal: QĐ 766 evaluation API."""
