-- Proves that check_layers.lua sees what it is for: a small tree with one fault of each kind.

local source = os.getenv("PROPHET_SOURCE_DIR") or "."
local base = os.getenv("PROPHET_TEST_DIR") or (io.open("/dev/shm/.") and "/dev/shm") or "/tmp"
local pipe = assert(io.popen("mktemp -d '" .. base .. "/prophet-lint-XXXXXX'"))
local dir = assert(pipe:read("l"))
pipe:close()

local passed, failed = 0, 0

local function write(path, text)
  assert(os.execute(("mkdir -p '%s/%s'"):format(dir, path:match("^(.*)/") or ".")))
  local f = assert(io.open(dir .. "/" .. path, "w"))
  f:write(text)
  f:close()
end

local function lint()
  local p = assert(io.popen(("lua5.4 '%s/tests/lint/check_layers.lua' '%s' 2>&1"):format(source, dir)))
  local text = p:read("a")
  local ok = p:close()
  return ok, text
end

-- With this file the linter must say `wanted` (a plain string); nil: it must be silent.
local function try(what, path, text, wanted)
  write(path, text)
  local ok, out = lint()
  local good
  if wanted then good = not ok and out:find(wanted, 1, true) else good = ok end
  if good then
    passed = passed + 1
  else
    failed = failed + 1
    print(("FAILED %s: wanted %s, got\n%s"):format(what, wanted or "silence", out))
  end
  os.remove(dir .. "/" .. path)
end

local HEAD = "/* A file\n * of a test. */\n"
local function body(lines)
  return HEAD .. "static int f(void)\n{\n" .. ("    g();\n"):rep(lines) .. "    return 0;\n}\n"
end

try("a plain file", "engine/log/a.c", HEAD .. '#include "model/model.h"\n#include "log/log_impl.h"\n', nil)
try("an include upwards", "engine/log/a.c", HEAD .. '#include "replica/replica.h"\n', "log may not include replica")
try("an include sideways", "engine/log/a.c", HEAD .. '#include "merge/merge.h"\n', "log may not include merge")
try("a back door", "engine/log/a.c", HEAD .. '#include "model/model_impl.h"\n', "front door")
try("a relative include", "engine/log/a.c", HEAD .. '#include "../model/model.h"\n', '"<folder>/<file>.h"')
try("a folder that is no layer", "engine/util/a.c", HEAD, "util is no layer")
try("lmdb outside store", "engine/log/a.c", HEAD .. "#include <lmdb.h>\n", "<lmdb.h> belongs to store")
try("lmdb in store", "engine/store/a.c", HEAD .. "#include <lmdb.h>\n", nil)
try("openssl outside crypto", "engine/model/a.c", HEAD .. "#include <openssl/evp.h>\n", "belongs to crypto")
try("script is a client", "engine/script/a.c", HEAD .. '#include "model/model.h"\n', "client of <prophet.h>")
try("script sees base", "engine/script/a.c", HEAD .. '#include "base/base.h"\n#include <lua.h>\n', nil)
try("a banned function", "engine/log/a.c", HEAD .. "int f(void) { return atoi(x); }\n", "atoi is banned")
try("a banned name in words", "engine/log/a.c", HEAD .. '/* atoi() */ const char *s = "strcpy(x)";\n', nil)
try("malloc outside base", "engine/log/a.c", HEAD .. "void *p = malloc(3);\n", "malloc belongs to base")
try("free as a member", "engine/log/a.c", HEAD .. "void f(void) { x->free(y); }\n", nil)
try("no opening comment", "engine/log/a.c", "int x;\n", "opens with a comment")
try("a long file", "engine/log/a.c", HEAD .. ("int x;\n"):rep(800), "at most 800")
try("a function of 80 lines", "engine/log/a.c", body(78), nil)
try("a long function", "engine/log/a.c", body(81), "at most 80")
try("a long function on purpose", "engine/log/a.c", (body(81):gsub("{\n", "{ /* lint: long */\n", 1)), nil)
try("a stray header", "engine/log/a.h", HEAD, "_impl.h")
try("white space", "lua/a.lua", "local x = 1 \n", "white space")
try("a tab", "lua/a.lua", "\tlocal x = 1\n", "a tab")
try("a nameless task", "lua/a.lua", "-- TO" .. "DO: later\n", "needs an issue")
try("a named task", "lua/a.lua", "-- TO" .. "DO(#12): later\n", nil)
try("a bare public function", "include/prophet.h", HEAD .. "\nPROPHET_API int prophet_x(void);\n", "prophet_x has no comment")
try("a section is no comment", "include/prophet.h", HEAD .. "\n/* ---- x ---- */\nPROPHET_API int prophet_x(void);\n",
    "prophet_x has no comment")
try("a documented one", "include/prophet.h", HEAD .. "\n/* Does x. */\nPROPHET_API int prophet_x(void);\n", nil)
try("a comment at the end", "include/prophet.h", HEAD .. "\nPROPHET_API int prophet_x(int a,\n    int b); /* x */\n", nil)
write("include/prophet.h", HEAD .. "\n/* Does x. */\nPROPHET_API int prophet_x(void);\n")
write("engine/script/b.c", HEAD)
try("an unbound function", "engine/script/a.c", HEAD, "neither used by engine/script nor listed")
try("a bound function", "engine/script/a.c", HEAD .. "int a = prophet_x();\n", nil)
write("engine/script/a.c", HEAD)
try("an excused function", "tests/lint/unbound.txt", "prophet_x for hosts only\n", nil)
try("an excuse without reason", "tests/lint/unbound.txt", "prophet_x\n", "a name and a reason")

os.execute("rm -r '" .. dir .. "'")
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0)
