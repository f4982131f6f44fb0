-- What must match before the program serves.
SELECT partitions, id FROM deployment
