-- union: everything that any side has, for lists and maps.
--
-- A list: the entries all sides began with, then what each side added, in an order that is the same
-- everywhere; an entry that one side took away stays away if nobody else changed it. A map: the same by
-- key; where two sides gave a key different values it is left to people. (Fields of kind `set` need no resolver:
-- they never conflict.)
local on = { "*" } -- copy this file and name fields to narrow it: { "ticket.reviewers" }

-- A text that is the same for equal values only. Deep enough for what a field can hold.
local function key_of(value)
  local kind = math.type(value) or type(value)
  if kind == "float" then return ("float:%.17g"):format(value) end
  if kind ~= "table" then return kind .. ":" .. tostring(value) end
  local out = {}
  for k, v in pairs(value) do
    local name = tostring(k)
    out[#out + 1] = type(k) .. #name .. ":" .. name .. "=" .. key_of(v)
  end
  return "{" .. table.concat(out, ",") .. "}"
end

local function is_list(value)
  if type(value) ~= "table" then return false end
  for k in pairs(value) do
    if type(k) ~= "number" then return false end
  end
  return true
end

local function is_map(value)
  if type(value) ~= "table" then return false end
  for k in pairs(value) do
    if type(k) ~= "string" then return false end
  end
  return true
end

local function keys_of(list)
  local keys = {}
  for _, v in ipairs(list) do keys[key_of(v)] = true end
  return keys
end

local function union_of_lists(base, candidates)
  local base_keys, gone, out, have = keys_of(base), {}, {}, {}
  for _, cand in ipairs(candidates) do
    local keys = keys_of(cand.value)
    for _, v in ipairs(base) do
      if not keys[key_of(v)] then gone[key_of(v)] = true end
    end
  end
  local function put(v)
    local key = key_of(v)
    if have[key] or base_keys[key] and gone[key] then return end
    have[key] = true
    out[#out + 1] = v
  end
  for _, v in ipairs(base) do put(v) end
  for _, cand in ipairs(candidates) do
    for _, v in ipairs(cand.value) do put(v) end
  end
  return out
end

-- One key of a map over all sides: what it becomes, or false when two sides differ.
local function one_key(base, candidates, k)
  local was = base[k] ~= nil and key_of(base[k]) or nil
  local value, found, changed = base[k], was, false
  for _, cand in ipairs(candidates) do
    local v = cand.value[k]
    local key = v ~= nil and key_of(v) or nil
    if key ~= was then
      if changed and key ~= found then return false end
      value, found, changed = v, key, true
    end
  end
  return true, value
end

local function union_of_maps(base, candidates)
  local out, seen = {}, {}
  local sides = { base }
  for i, cand in ipairs(candidates) do sides[i + 1] = cand.value end
  for _, side in ipairs(sides) do
    for k in pairs(side) do
      if not seen[k] then
        seen[k] = true
        local ok, value = one_key(base, candidates, k)
        if not ok then return nil, k end
        out[k] = value
      end
    end
  end
  return out
end

-- The candidates by what they hold, so that the answer does not depend on the order they come in.
local function in_order(candidates)
  local out, keys = {}, {}
  for i, cand in ipairs(candidates) do
    local key, at = key_of(cand.value), i
    while at > 1 and keys[at - 1] > key do
      out[at], keys[at] = out[at - 1], keys[at - 1]
      at = at - 1
    end
    out[at], keys[at] = cand, key
  end
  return out
end

local function vote(c)
  local lists, maps = true, true
  for _, cand in ipairs(c.candidates) do
    if cand.unset then return c:ask("one side removed all of it") end
    lists, maps = lists and is_list(cand.value), maps and is_map(cand.value)
  end
  if lists then
    return c:merge(union_of_lists(is_list(c.base) and c.base or {}, in_order(c.candidates))), "everything any side has"
  end
  if not maps then return nil, "neither lists nor maps" end
  local merged, key = union_of_maps(is_map(c.base) and c.base or {}, in_order(c.candidates))
  if not merged then return c:ask("the sides differ in " .. key) end
  return c:merge(merged), "everything any side has"
end

return { name = "union", version = 1, on = on, vote = vote }
