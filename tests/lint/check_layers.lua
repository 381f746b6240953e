-- Holds the house rules that a machine can check: who may include what, where a library may appear, banned
-- functions, sizes of files and functions, comments that must be there, white space.
-- Usage: lua5.4 tests/lint/check_layers.lua [DIR]    (DIR: the checkout; default: the working directory)

local root = arg[1] or os.getenv("PROPHET_SOURCE_DIR") or "."

-- A folder may include the folders of smaller rank; those of one rank never see each other.
local RANKS = {
  { "base" }, { "crypto" }, { "model", "store", "net" }, { "log", "record", "index", "merge" }, { "query" },
  { "replica" }, { "sync" }, { "serve" }, { "api" }, { "script" }, { "cli" },
}
-- Clients of <prophet.h>, like any host: besides it they see base, and cli the front door of script.
local CLIENTS = { script = { base = true }, cli = { base = true, script = true } }

-- Each library has one home.
local HOMES = {
  ["lmdb.h"] = "store", ["curl/"] = "net", ["expat.h"] = "net", ["avahi-"] = "net", ["openssl/"] = "crypto", ["jansson.h"] = "api", ["zstd.h"] = "sync",
  ["zdict.h"] = "sync", ["microhttpd.h"] = "serve", ["utf8proc.h"] = "index", ["libstemmer.h"] = "index",
  ["lua.h"] = "script", ["lualib.h"] = "script", ["lauxlib.h"] = "script", ["lua.hpp"] = "nowhere",
  ["histedit.h"] = "cli", ["editline/"] = "cli", ["sqlite3.h"] = "nowhere", ["assert.h"] = "nowhere",
  ["alloca.h"] = "nowhere",
}

local BANNED = {
  strcpy = "snprintf or memcpy", strcat = "ph_buf", sprintf = "snprintf", vsprintf = "vsnprintf", gets = "fgets",
  strtok = "strcspn", system = "posix_spawn with an argument vector", popen = "posix_spawn", atoi = "strtol",
  alloca = "ph_arena", assert = "ph_require",
}
local MEMORY = { malloc = true, calloc = true, realloc = true, free = true, strdup = true, strndup = true }

local MAX_FILE, MAX_FUNCTION = 800, 80

local faults = {}
local function fault(path, line, fmt, ...)
  faults[#faults + 1] = ("%s:%d: %s"):format(path, line, fmt:format(...))
end

local rank = {}
for i, layers in ipairs(RANKS) do
  for _, layer in ipairs(layers) do rank[layer] = i end
end

-- ---- files ------------------------------------------------------------------------------------------

local function files(...)
  local quoted = {}
  for i, folder in ipairs({ ... }) do quoted[i] = ("'%s/%s'"):format(root, folder) end
  local pipe = assert(io.popen("find " .. table.concat(quoted, " ") .. " -type f 2>/dev/null | LC_ALL=C sort"))
  local list = {}
  for path in pipe:lines() do list[#list + 1] = path:sub(#root + 2) end
  pipe:close()
  return list
end

local function read(path)
  local f = io.open(root .. "/" .. path, "rb")
  if not f then return nil end
  local text = f:read("a")
  f:close()
  return text
end

local function lines_of(text)
  local lines = {}
  for line in (text:sub(-1) == "\n" and text or text .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = line end
  return lines
end

-- The same lines with comments, strings and characters blanked out.
local function code_of(text)
  local out, i, n = {}, 1, #text
  local function blank(from, to)
    out[#out + 1] = text:sub(from, to):gsub("[^\n]", " ")
    i = to + 1
  end
  while i <= n do
    local at = text:find("[/\"']", i)
    if not at then break end
    out[#out + 1] = text:sub(i, at - 1)
    i = at
    local two, c = text:sub(at, at + 1), text:sub(at, at)
    if two == "/*" then
      local _, e = text:find("*/", at + 2, true)
      blank(at, e or n)
    elseif two == "//" then
      blank(at, (text:find("\n", at, true) or n + 1) - 1)
    elseif c == "/" then
      out[#out + 1] = c
      i = at + 1
    else
      local e = at + 1
      while e <= n and text:sub(e, e) ~= c do e = e + (text:sub(e, e) == "\\" and 2 or 1) end
      blank(at, math.min(e, n))
    end
  end
  out[#out + 1] = text:sub(i)
  return lines_of(table.concat(out))
end

-- ---- rules --------------------------------------------------------------------------------------------

local function check_include(path, layer, number, line)
  local quoted, angled = line:match('^%s*#%s*include%s*"([^"]+)"'), line:match("^%s*#%s*include%s*<([^>]+)>")
  if quoted then
    local folder, name = quoted:match("^([%w_]+)/([%w_]+%.h)$")
    if not folder then return fault(path, number, 'include "%s" as "<folder>/<file>.h"', quoted) end
    if folder == layer then return end
    if not rank[folder] then return fault(path, number, "%s is no layer", folder) end
    local client = CLIENTS[layer]
    if client and not client[folder] then
      fault(path, number, "%s is a client of <prophet.h>: it may not include %s", layer, folder)
    elseif rank[folder] >= rank[layer] then
      fault(path, number, "%s may not include %s", layer, folder)
    elseif name ~= folder .. ".h" then
      fault(path, number, 'enter %s by its front door, "%s/%s.h"', folder, folder, folder)
    end
  elseif angled then
    for prefix, home in pairs(HOMES) do
      if angled:sub(1, #prefix) == prefix and home ~= layer then
        fault(path, number, "<%s> belongs to %s", angled, home)
      end
    end
  end
end

local function check_calls(path, layer, number, line)
  for name, after in line:gmatch("([%a_][%w_]*)%s*(%(?)") do
    if after == "(" then
      local before = line:match("([%.%>])%s*" .. name .. "%s*%(")
      if BANNED[name] and not before then
        fault(path, number, "%s is banned: use %s", name, BANNED[name])
      elseif layer and MEMORY[name] and layer ~= "base" and not before then
        fault(path, number, "%s belongs to base: use ph_alloc, ph_free", name)
      end
    end
  end
end

-- A function: a line that ends a head at column 1, "{" alone on the next, "}" alone at its end.
local function check_functions(path, lines, code)
  local start
  for i, line in ipairs(code) do
    if line:match("^{%s*$") and i > 1 and code[i - 1]:match("[%w%)_]%s*$") then
      start = i
    elseif line:match("^}") and start then
      local length = i - start - 1
      if length > MAX_FUNCTION then
        local text = table.concat(lines, "\n", math.max(1, start - 3), i)
        if not text:find("/* lint: long */", 1, true) then
          fault(path, start - 1, "a function of %d lines; at most %d", length, MAX_FUNCTION)
        end
      end
      start = nil
    end
  end
end

local function check_text(path, lines)
  for i, line in ipairs(lines) do
    if line:find("[ \t]$") then fault(path, i, "white space at the end of the line") end
    if line:find("\t") then fault(path, i, "a tab") end
    if line:find("\r") then fault(path, i, "a carriage return") end
    if line:find("%f[%w_]TODO%f[^%w_]") and not line:find("TODO%(#%d+%)") and path ~= "tests/lint/check_layers.lua" then
      fault(path, i, "TODO needs an issue: TODO(#123)")
    end
  end
  if #lines > MAX_FILE and path:find("%.[ch]$") then
    fault(path, MAX_FILE, "a file of %d lines; at most %d", #lines, MAX_FILE)
  end
end

local function check_c(path, text)
  local layer = path:match("^engine/([%w_]+)/")
  local lines, code = lines_of(text), code_of(text)
  if layer and not rank[layer] then return fault(path, 1, "%s is no layer: see DESIGN, layers", layer) end
  if path:match("^engine/[^/]+$") then fault(path, 1, "a file of the engine lives in a layer") end
  if not text:find("^/%*") then fault(path, 1, "a file opens with a comment: what it decides, who calls it") end
  for i, line in ipairs(lines) do
    if layer then check_include(path, layer, i, line) end
    check_calls(path, layer, i, code[i] or "")
  end
  check_functions(path, lines, code)
  if layer and path:find("%.h$") and not path:find("_impl%.h$") and not path:find(layer .. "/" .. layer .. "%.h$") then
    fault(path, 1, "a header is the front door %s.h or ends in _impl.h", layer)
  end
end

-- Each PROPHET_API declaration has a comment right above (its group's first) or at its end.
local function check_public(path, text)
  local lines, documented = lines_of(text), false
  local names, i = {}, 1
  while i <= #lines do
    local line = lines[i]
    if line:find("^PROPHET_API%s") then
      local first = i
      while not lines[i]:find(";") and i < #lines do i = i + 1 end
      local text_of = table.concat(lines, " ", first, i)
      local name = text_of:match("(prophet_[%w_]+)%s*%(") or text_of:match("(luaopen_[%w_]+)%s*%(")
      if not name then
        fault(path, first, "PROPHET_API marks a function named prophet_*")
      else
        names[#names + 1] = name
        if not documented and not lines[i]:find("/%*") then fault(path, first, "%s has no comment", name) end
      end
    elseif line:find("^%s*$") or line:find("^#") then
      documented = false
    elseif line:find("%*/%s*$") then
      documented = line:find("^%s*/?%*") ~= nil or line:find("^%s+") ~= nil or documented
      if line:find("^/%* %-%-%-%-") then documented = false end -- a heading of a section
    end
    i = i + 1
  end
  return names
end

-- Every public function is bound in Lua, or on the list of those that are not, with the reason.
local function check_bound(names)
  local bound, skip = {}, {}
  for _, path in ipairs(files("engine/script")) do
    for word in (read(path) or ""):gmatch("prophet_[%w_]+") do bound[word] = true end
  end
  local listed = read("tests/lint/unbound.txt") or ""
  for number, line in ipairs(lines_of(listed)) do
    local name, reason = line:match("^(%S+)%s+(.+)$")
    if line ~= "" and line:sub(1, 1) ~= "#" then
      if not reason then fault("tests/lint/unbound.txt", number, "a name and a reason, please") end
      if name then skip[name] = number end
    end
  end
  local known = {}
  for _, name in ipairs(names) do
    known[name] = true
    if not bound[name] and not skip[name] then
      fault("include/prophet.h", 1, "%s is neither used by engine/script nor listed in tests/lint/unbound.txt", name)
    elseif bound[name] and skip[name] then
      fault("tests/lint/unbound.txt", skip[name], "%s is used by engine/script: take it off the list", name)
    end
  end
  for name, number in pairs(skip) do
    if not known[name] then fault("tests/lint/unbound.txt", number, "%s is no public function", name) end
  end
end

-- ---- all --------------------------------------------------------------------------------------------------

local count, public = 0, {}
for _, path in ipairs(files("engine", "include", "lua", "schemas", "resolvers", "examples", "bench", "tests", "docs",
                            "cmake")) do
  local kind = path:match("%.(%w+)$")
  local is_text = kind and (" c h lua md txt cmake sh py "):find(" " .. kind .. " ", 1, true)
  if is_text and not path:find("/corpus/") and not path:find("^tests/golden/.*%.txt$") then
    local text = read(path)
    count = count + 1
    check_text(path, lines_of(text))
    if kind == "c" or kind == "h" then
      if path:find("^engine/") or path:find("^bench/") or path:find("^examples/") then
        check_c(path, text)
      elseif path:find("%.c$") and not text:find("^/%*") then
        fault(path, 1, "a file opens with a comment")
      end
    end
    if path:find("^include/") then
      for _, name in ipairs(check_public(path, text)) do
        if path == "include/prophet.h" then public[#public + 1] = name end
      end
    end
  end
end
if #files("engine/script") > 1 then check_bound(public) end

for _, text in ipairs(faults) do print(text) end
print(("%d files, %d faults"):format(count, #faults))
os.exit(#faults == 0)
