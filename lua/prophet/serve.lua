--- serve: a live peer, as scripts see it.

local e = require "prophet.error"
local strict = require "prophet.strict"

local M = {}

local known = {
  listen = true, token = true, read_token = true, tokens = true, tls = true, hosts = true, readonly = true, log = true, announce = true,
  timeout = true, connections = true, requests = true, push_bytes = true,
  background = true, ready = true, pushed = true,
}

local SERVER = {}
local methods = {}
local mt = { __name = "prophet.server", __newindex = strict.frozen "a server" }

function mt.__index(server, name)
  if methods[name] then return methods[name] end
  if name == "url" then return server[SERVER].url end
  return strict.unknown("a server", name, { methods, { url = true } })
end

function mt.__tostring(server)
  return "prophet.server " .. server[SERVER].url .. (server[SERVER].core and "" or " (closed)")
end

--- Waits until a push brought something: true; false when `seconds` passed before.
function methods.wait(server, seconds)
  local s = server[SERVER]
  if not s.core then e.raise { code = "usage", message = "the server is closed" } end
  if seconds ~= nil and (type(seconds) ~= "number" or seconds ~= seconds or seconds < 0) then
    e.raise { code = "usage", message = ("wait takes a number of seconds, not %s"):format(type(seconds) == "number" and seconds or "a " .. type(seconds)),
      value = seconds, hint = "server:wait() waits until a push brought something" }
  end
  return s.core:wait(s.handle:is_open() and s.handle or nil, seconds)
end

--- Ends it, after what is being answered; fine when it has ended.
function methods.close(server)
  local s = server[SERVER]
  if s.core then s.core:close() end
  s.core = nil
end
mt.__close = methods.close

local function text(value, what)
  if type(value) ~= "string" then
    e.raise { code = "usage", message = ("%s is a %s, not a text"):format(what, type(value)), value = value }
  end
  return value
end

local TOKENS = 'tokens = { { token = "..", right = "read" or "write" }, .. }'

local function refuse(message)
  e.raise { code = "usage", message = message, hint = TOKENS }
end

-- The option tokens. A shape that is not understood is refused: without its tokens reading would be open to everybody. What is there besides may be
-- a token, and is not named.
local function list_of(tokens)
  if type(tokens) ~= "table" then refuse(("option tokens is a %s, not a list"):format(type(tokens))) end
  local list = {}
  for i, one in ipairs(tokens) do
    local right = type(one) == "table" and one.right
    if right ~= "read" and right ~= "write" then refuse(("tokens: number %d says no right"):format(i)) end
    for name in pairs(one) do
      if name ~= "token" and name ~= "right" then refuse(("tokens: number %d has more than token and right"):format(i)) end
    end
    list[i] = { token = text(one.token, "a token"), write = right == "write" }
  end
  for name in pairs(tokens) do
    if not list[name] then refuse "option tokens is a list without names" end
  end
  if #list == 0 then refuse "option tokens holds no token" end
  return list
end

local function tokens_of(options)
  local list = {}
  if options.token ~= nil then list[1] = { token = text(options.token, "option token"), write = true } end
  if options.read_token ~= nil then
    list[#list + 1] = { token = text(options.read_token, "option read_token"), write = false }
  end
  for _, one in ipairs(options.tokens ~= nil and list_of(options.tokens) or {}) do list[#list + 1] = one end
  return list
end

local function tls_of(tls)
  if tls == nil then return nil, nil end
  if type(tls) ~= "table" then
    e.raise { code = "usage", message = "option tls is no table", hint = 'tls = { cert = "cert.pem", key = "key.pem" }' }
  end
  return text(tls.cert or tls[1], "the certificate of tls"), text(tls.key or tls[2], "the key of tls")
end

--- Checks the options of db:serve.
function M.options(options)
  local all = strict.options("serve", options, known)
  if all.hosts ~= nil and type(all.hosts) ~= "table" then
    e.raise { code = "usage", message = ("option hosts is a %s, not a list"):format(type(all.hosts)), hint = 'hosts = { "bugs.example" }' }
  end
  return all
end

--- Starts a server in the background.
---@param s table  the database's state
---@param options table
---@return table server
function M.open(s, options)
  local cert, key = tls_of(options.tls)
  local core = s.handle:serve {
    listen = options.listen, tokens = tokens_of(options), cert = cert, key = key, hosts = options.hosts, readonly = options.readonly,
    log = options.log, timeout = options.timeout, connections = options.connections, requests = options.requests,
    push_bytes = options.push_bytes, announce = options.announce,
  }
  return setmetatable({ [SERVER] = { core = core, url = core:url(), handle = s.handle } }, mt)
end

--- Serves until it is interrupted, or `ready` or `pushed` closed the server. Resolvers vote after each push.
---@param db table
---@param server table
---@param options table
function M.run(db, server, options)
  local guard <close> = server
  if options.ready then options.ready(guard) end
  while server[SERVER].core do
    guard:wait()
    if not db.readonly then db:poll() end
    if options.pushed then options.pushed(guard) end
  end
end

return M
