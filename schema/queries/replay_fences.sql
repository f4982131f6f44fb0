-- Every partition's fence: its owner, and how far its topics were read.
SELECT partition, owner, epoch, version, first_offset, next_offset, high_offset, stored, duplicate, dead_lettered,
	gaps, reread
FROM partition_fences
ORDER BY partition
