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

local function tokens_of(options)
  local list = {}
  if options.token ~= nil then list[1] = { token = text(options.token, "option token"), write = true } end
  if options.read_token ~= nil then
    list[#list + 1] = { token = text(options.read_token, "option read_token"), write = false }
  end
  for i, one in ipairs(options.tokens or {}) do
    local right = type(one) == "table" and one.right
    if right ~= "read" and right ~= "write" then
      e.raise { code = "usage", message = ("tokens: number %d says no right"):format(i), hint = '{ token = "..", right = "read" or "write" }' }
    end
    list[#list + 1] = { token = text(one.token, "a token"), write = right == "write" }
  end
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
  return strict.options("serve", options, known)
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
