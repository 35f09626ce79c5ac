-- What all scripts about spare sandboxes share. Scores: spares since when, tickets and guarded until when (ms).
local spares, tickets, guarded = unpack(KEYS)
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZREMRANGEBYSCORE', tickets, '-inf', now_ms)
redis.call('ZREMRANGEBYSCORE', guarded, '-inf', now_ms)

