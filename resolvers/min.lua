-- min: the least number, the earliest time, the first text in byte order.
--
-- Values of different kinds are not compared: it abstains. A side that unset the field is passed over.
local on = { "*" } -- copy this file and name fields to narrow it: { "ticket.severity" }

-- Numbers compare with numbers, texts with texts, times with times, true above false; anything else with nothing.
local function sort_of(value, kind)
  local of = type(value)
  if of == "number" or of == "string" or of == "boolean" then return of end
  return kind == "time" and "time" or nil
end

local function key_of(value, kind)
  if kind == "boolean" then return value and 1 or 0 end
  if kind == "time" then return value.ms end
  return value
end

local function vote(c)
  local best, best_key, kind
  for _, cand in ipairs(c.candidates) do
    if not cand.unset then
      local this = sort_of(cand.value, c.kind)
      if not this then return nil, "such values have no order" end
      if kind and kind ~= this then return nil, "values of different kinds" end
      kind = this
      local key = key_of(cand.value, kind)
      if not best or key < best_key then best, best_key = cand, key end
    end
  end
  return best, best and "the least" or "no value"
end

return { name = "min", version = 1, on = on, vote = vote }
