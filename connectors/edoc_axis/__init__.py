"""E-document exchange: edXML messages and the statistics of a provincial axis."""
