-- List the spares and the guarded.
local kept = redis.call('ZRANGE', spares, 0, -1)
for _, sandbox in ipairs(redis.call('ZRANGE', guarded, 0, -1)) do kept[#kept + 1] = sandbox end
return kept
