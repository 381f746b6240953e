--- prophet serve

local e = require "prophet.error"
local exit = require "prophet.cli.exit"

local FORM = 'a line is "read TOKEN" or "write TOKEN"; what begins with # is passed over'

-- The tokens of a file. What is not understood is refused, as reading would be open to everybody without it; tokens are in no message.
local function read_tokens(path)
  local file, why = io.open(path, "r")
  if not file then e.raise { code = "not_found", message = "the token file " .. why } end
  local text
  text, why = file:read "a" -- nil for a directory
  file:close()
  if not text then e.raise { code = "usage", message = ("the token file %s: %s"):format(path, why), value = path } end
  local list, number = {}, 0
  for line in (text .. "\n"):gmatch "(.-)\n" do
    number = number + 1
    if line:find "%S" and not line:find "^%s*#" then
      local right, token = line:match "^%s*(%a+)%s+(%S+)%s*$"
      if right ~= "read" and right ~= "write" then
        e.raise { code = "usage", message = ("the token file %s, line %d: it is no token with its right"):format(path, number), hint = FORM }
      end
      list[#list + 1] = { token = token, right = right }
    end
  end
  if #list == 0 then e.raise { code = "usage", message = ("the token file %s has no token"):format(path), value = path, hint = FORM } end
  return list
end

-- Who listens beyond this machine may not know who listens.
local function open_to_all(url, tokens)
  local host = url:match "^%a+://(.*):%d+$"
  if not host or host == "localhost" or host:find "^127%." or host == "[::1]" then return false end
  for _, t in ipairs(tokens or {}) do
    if t.right == "read" then return false end
  end
  return true
end

-- Who started this over there is told as the answer to its first question (drawn in serve/pipe.c). Until it has closed it may write.
local function refuse(ctx, err)
  ctx.stdout:write(string.pack(">c1s4", "X", ("%s: %s"):format(err.code, err.message)))
  ctx.stdout:flush()
  while ctx.stdin:read(4096) do end
  return exit.of(err.code)
end

local function over_pipe(ctx)
  local db, err = e.try(ctx.options.readonly and ctx.read or ctx.open, ctx)
  if not db then return refuse(ctx, err) end
  ctx:until_signal(function() db:serve_pipe(ctx.options.readonly) end)
end

return {
  name = "serve", summary = "answer other replicas over HTTP",
  about = [[
Others clone and pull from the URL it prints, and push with a token that may write. Several processes may write to the database meanwhile.
Ends with SIGINT or SIGTERM. Without --tls nothing is encrypted: beyond this machine use it, or a proxy that does.
A token file has lines "write TOKEN" and "read TOKEN"; if there is one for reading, reading needs a token. Without it everybody who reaches the
address can read all.]],
  options = {
    { name = "listen", value = "HOST:PORT", doc = "where (127.0.0.1:7733); port 0 takes a free one" },
    { name = "token", value = "TOKEN", doc = "opens pushing; others on this machine can see it: rather --token-file" },
    { name = "token-file", value = "FILE", doc = "tokens and what they open" },
    { name = "tls", value = "CERT KEY", values = 2, doc = "PEM files of a certificate and its key" },
    { name = "host", value = "NAME", many = true, doc = "another name by which the server is called" },
    { name = "log", value = "FILE", doc = "a line a request (standard error, unless --quiet)" },
    { name = "readonly", doc = "takes no pushes" },
    { name = "announce", doc = "tells the local network, for peers --discover" },
    { name = "stdio", doc = "answers over standard input and output instead, for ssh" },
  },
  run = function(ctx)
    local o = ctx.options
    if o.stdio and not o.dry_run then return over_pipe(ctx) end
    local db = o.readonly and ctx:read() or ctx:open()
    local tokens = o.token_file and read_tokens(o.token_file) or nil
    if o.dry_run then
      local where = o.listen or "127.0.0.1:7733"
      return ctx:told({ database = ctx:database(), listen = where }, ("would serve %s at %s"):format(ctx:database(), where))
    end
    ctx:until_signal(function() db:serve {
      listen = o.listen, token = o.token, tokens = tokens, tls = o.tls, hosts = o.host,
      log = o.log or not o.quiet and "-" or nil, readonly = o.readonly, announce = o.announce,
      ready = function(server)
        if open_to_all(server.url, tokens) then
          ctx:warn(("everybody who reaches %s can read all of it: a line \"read TOKEN\" in a --token-file closes it"):format(server.url))
        end
        ctx:result({ url = server.url }, "serving at " .. server.url)
        ctx.stdout:flush()
      end,
    } end, "stopped serving")
  end,
}
