--- remotes: other places by a name, as db.remotes shows them. They lie in a file of this replica that nobody else ever gets.

local e = require "prophet.error"
local strict = require "prophet.strict"

local M = {}

local HANDLE, REMOTE = {}, {} -- keys of what is private
local members = { name = true, url = true, token = true, seal = true, cacert = true, proxy = true }
local given = { url = true, token = true, seal = true, cacert = true, proxy = true }
local shown = { "name", "url", "seal", "cacert", "proxy" }

-- ---- one -------------------------------------------------------------------------------------------------

local remote_mt = { __name = "prophet.remote" }

function remote_mt.__index(remote, name)
  if not members[name] then return strict.unknown("a remote", name, { members }) end
  return remote[REMOTE][name]
end

function remote_mt.__newindex(remote, name)
  e.raise { code = "immutable", message = ("a remote's %s is not assigned"):format(tostring(name)),
    hint = ("assign all of it: db.remotes.%s = { url = \"..\" }"):format(remote[REMOTE].name) }
end

-- A proxy's URL may hold a user and a password.
local function without_user(url)
  local scheme, rest = url:match "^(%a[%w+.-]*://)(.*)$"
  return (scheme or "") .. (rest or url):gsub("^.*@", "")
end

-- What may be seen: whether there is a token, not which.
local function public(r)
  local out = {}
  for _, name in ipairs(shown) do out[name] = r[name] end
  out.url = r.place
  out.proxy = r.proxy and without_user(r.proxy)
  out.token = r.token and true or nil
  return out
end

function remote_mt.__tostring(remote)
  local r = remote[REMOTE]
  return ("prophet.remote %s %s"):format(r.name, r.place)
end

function remote_mt.__tojson(remote)
  return public(remote[REMOTE])
end

function remote_mt.__pairs(remote)
  return next, public(remote[REMOTE]), nil
end

local function wrap(r)
  return setmetatable({ [REMOTE] = r }, remote_mt)
end

-- ---- all ---------------------------------------------------------------------------------------------------

local mt = { __name = "prophet.remotes" }

local function find(remotes, name)
  for r in remotes[HANDLE]:remotes() do
    if r.name == name then return r end
  end
  return nil
end

function mt.__index(remotes, name)
  local r = find(remotes, name)
  return r and wrap(r) or nil
end

function mt.__newindex(remotes, name, remote)
  local handle = remotes[HANDLE]
  if type(name) ~= "string" then
    e.raise { code = "usage", message = ("the name of a remote is a %s, not a text"):format(type(name)), value = name }
  end
  if remote == nil then
    if find(remotes, name) then handle:remote_remove(name) end
    return
  end
  if type(remote) == "string" then remote = { url = remote } end
  local all = { name = name }
  if getmetatable(remote) == remote_mt then
    for k in pairs(given) do all[k] = remote[REMOTE][k] end
  else
    for k, v in pairs(strict.options("a remote", remote, given)) do all[k] = v end
  end
  handle:remote_set(all)
end

function mt.__pairs(remotes)
  local list, i = {}, 0
  for r in remotes[HANDLE]:remotes() do list[#list + 1] = r end
  return function()
    i = i + 1
    if list[i] then return list[i].name, wrap(list[i]) end
  end
end

function mt.__tojson(remotes)
  local out = {}
  for r in remotes[HANDLE]:remotes() do out[r.name] = public(r) end
  return out
end

function mt.__tostring(remotes)
  local names = {}
  for r in remotes[HANDLE]:remotes() do names[#names + 1] = r.name end
  return "prophet.remotes " .. table.concat(names, " ")
end

--- The remotes of a database.
---@param handle any
---@return table
function M.new(handle)
  return setmetatable({ [HANDLE] = handle }, mt)
end

--- The remote that is meant where none is named: `origin`, else the only one there is.
---@param remotes table
---@param verb string
---@return string name
function M.default(remotes, verb)
  local names = {}
  for name in pairs(remotes) do
    if name == "origin" then return name end
    names[#names + 1] = name
  end
  if #names == 1 then return names[1] end
  e.raise { code = "usage", message = ("%s with whom?"):format(verb),
    hint = #names == 0 and "give a place, or name one: prophet remote add NAME URL" or "one of " .. table.concat(names, ", ") }
end

-- ---- peers -------------------------------------------------------------------------------------------------

local peer_mt = { __name = "prophet.peer" }
local peer_members = { name = true, url = true, replica = true, last_seen = true, ahead = true, behind = true }

function peer_mt.__index(_, name)
  if not peer_members[name] then return strict.unknown("a peer", name, { peer_members }) end
  return nil
end

function peer_mt.__tostring(p)
  local how = p.ahead and ("%d ahead, %d behind"):format(p.ahead, p.behind) or "never met"
  local where = p.url or "came here: " .. p.replica:sub(1, 12)
  return ("%s%s: %s%s"):format(p.name and p.name .. " " or "", where, how, p.last_seen and ", seen " .. tostring(p.last_seen) or "")
end

--- Remotes, other places that were met and who came here, as they stood then: an iterator of {name, url, replica, last_seen, ahead, behind}. discover:
-- those who announce themselves on the local network, {url, replica}.
---@param handle any
---@param options? { discover: number|boolean|nil }
function M.peers(handle, options)
  local discover = strict.options("peers", options, { discover = true }).discover
  if not discover then return handle:peers(peer_mt) end
  if discover ~= true and (type(discover) ~= "number" or discover <= 0) then
    e.raise { code = "usage", message = "option discover is no number of seconds", value = discover,
      hint = "peers{ discover = true } looks for 3 seconds at most" }
  end
  return handle:discover(discover == true and 3000 or math.ceil(discover * 1000), peer_mt)
end

return M
