--- prophet serve

local e = require "prophet.error"

-- Lines "write TOKEN" and "read TOKEN"; a bare token may write. Empty lines and #comments are passed over.
local function read_tokens(path)
  local file, why = io.open(path, "r")
  if not file then e.raise { code = "not_found", message = "the token file " .. why } end
  local text
  text, why = file:read "a" -- nil for a directory
  file:close()
  if not text then e.raise { code = "usage", message = ("the token file %s: %s"):format(path, why), value = path } end
  local list = {}
  for line in text:gmatch "[^\n]+" do
    local right, token = line:match "^%s*(%a+)%s+(%S+)%s*$"
    if not right then right, token = "write", line:match "^%s*([^#%s]%S*)%s*$" end
    if token and right ~= "read" and right ~= "write" then
      e.raise { code = "usage", message = ("%s: a line begins with neither read nor write"):format(path) }
    end
    if token then list[#list + 1] = { token = token, right = right } end
  end
  return list
end

return {
  name = "serve", summary = "answer other replicas over HTTP",
  about = [[
Others clone and pull from the URL it prints, and push with a token that may write. Several processes may write to the database meanwhile.
Ends with SIGINT or SIGTERM. Without --tls nothing is encrypted: beyond this machine use it, or a proxy that does.
A token file has lines "write TOKEN" and "read TOKEN"; if there is one for reading, reading needs a token.]],
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
    local db = o.readonly and ctx:read() or ctx:open()
    if o.dry_run then
      local where = o.listen or "127.0.0.1:7733"
      return ctx:told({ database = ctx:database(), listen = where }, ("would serve %s at %s"):format(ctx:database(), where))
    end
    if o.stdio then return ctx:until_signal(function() db:serve_pipe(o.readonly) end) end
    ctx:until_signal(function() db:serve {
      listen = o.listen, token = o.token, tokens = o.token_file and read_tokens(o.token_file) or nil, tls = o.tls, hosts = o.host,
      log = o.log or not o.quiet and "-" or nil, readonly = o.readonly, announce = o.announce,
      ready = function(server)
        ctx:result({ url = server.url }, "serving at " .. server.url)
        ctx.stdout:flush()
      end,
    } end, "stopped serving")
  end,
}
