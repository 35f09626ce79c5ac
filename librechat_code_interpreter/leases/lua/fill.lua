-- Put the spare ARGV[2] in the place of the ticket ARGV[1]; '' gives the place up. 0: there is no such ticket (any more).
local ticket, sandbox = ARGV[1], ARGV[2]
if redis.call('ZREM', tickets, ticket) == 0 or sandbox == '' then return 0 end
redis.call('ZADD', spares, now_ms, sandbox)
return 1
