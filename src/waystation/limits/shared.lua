-- One account, as one gateway has it and as all have it together. Run by `limits.shared` for many accounts at once.
--
-- KEYS[1]  a hash: field <node> = "<spent> <held> <until>". `spent` only grows within the key's life; `held` (what is
--          reserved, used in a sliding window, or under way; and the lease) counts until the Unix time `until`.
-- ARGV     node, spent, held, lease wanted, limit, now, until, seconds that the key lives
--
-- Returns what the others have spent, what they hold, and the lease that is granted: never more than is free.
local node, spent, held = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local wanted, limit = tonumber(ARGV[4]), tonumber(ARGV[5])
local now, till, life = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local others_spent, others_held = 0, 0
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local s, h, u = string.match(all[i + 1], '^(%-?%d+) (%d+) (%d+)$')
  if all[i] ~= node then
    others_spent = others_spent + tonumber(s)
    if tonumber(u) > now then others_held = others_held + tonumber(h) end
  elseif tonumber(s) > spent then
    spent = tonumber(s) -- this node had counted more before it was started anew
  end
end
local free = limit - others_spent - others_held - spent - held
local lease = math.max(0, math.min(wanted, free))
redis.call('HSET', KEYS[1], node, string.format('%.0f %.0f %.0f', spent, held + lease, till))
redis.call('EXPIRE', KEYS[1], life)
return {string.format('%.0f', others_spent), string.format('%.0f', others_held), string.format('%.0f', lease),
        string.format('%.0f', spent)}
