-- The commands of exchange among wrong places: files where directories belong, links to nowhere, what is there already, what cannot be written, two at
-- once. Each failure names the thing and the way out, ends with the status of its kind, and leaves nothing behind.
package.path = (os.getenv "PROPHET_SOURCE_DIR" or ".") .. "/tests/lua/?.lua;" .. package.path
local cli = require "cli_support"
local json = require "dkjson"

local dir

local function words_of(args)
  local words = {}
  for word in args:gmatch "%S+" do words[#words + 1] = word == '""' and "" or word end
  return words
end

local function prophet(args, status, how)
  local r = cli.run(dir, "prophet", words_of(args), how)
  assert.equal(status or 0, r.status, args .. "\n" .. r.out .. r.err)
  return r
end

local function shell(script)
  local pipe = assert(io.popen(("cd '%s' && PATH='%s':$PATH PROPHET_DB= && %s"):format(dir, cli.build, script)))
  local text = pipe:read "a"
  pipe:close()
  return text
end

local function names()
  return shell "find . -not -path './a/*' -not -path './b/*' | sort"
end

-- Lines of: status, command, what the message says, what the hint says. A dry run fails alike, but where only doing it tells (late).
local function refused(cases)
  local before = names()
  for _, case in ipairs(cases) do
    local status, args, says, hint = table.unpack(case)
    local r = prophet(args .. " --json", status)
    assert.equal("", r.out, args)
    assert.equal(1, #cli.lines(r.err), args .. "\n" .. r.err)
    local err = json.decode(r.err, 1, nil).error
    assert.truthy(err.message:find(says, 1, true), args .. "\n" .. r.err)
    assert.truthy((err.hint or ""):find(hint or "", 1, true), args .. "\n" .. r.err)
    if not case.late then prophet("--dry-run " .. args, status) end
  end
  assert.equal(before, names())
end

describe("among wrong places", function()
  before_each(function()
    dir = cli.scratch()
    prophet "init a"
    shell "mkdir project"
    prophet "init project/.prophet"
    shell "mkdir empty other && echo hello >file && echo x >other/x && ln -s nowhere dangling && ln -s loop loop && ln -s a link && ln -s file filelink"
    cli.write(dir .. "/letter", "dear ann, this is a letter and no bundle")
    prophet "--db a settings colours red"
    prophet "clone a b"
    prophet "--db a bundle all.bundle"
    prophet "--db a publish d.depot"
    prophet "key new k"
  end)
  after_each(function() cli.remove(dir) end)

  it("clone says what it cannot find and where it cannot make", function()
    local found = "directory of a replica or of a depot"
    refused {
      { 3, "clone nowhere x", "nowhere does not exist", found }, { 3, "clone dangling x", "dangling does not exist", found },
      { 3, "clone loop x", "loop does not exist", found }, { 3, "clone empty x", "empty is no replica", found },
      { 3, "clone other x", "other is no replica", found }, { 3, "clone . x", ". is no replica", found },
      { 3, "clone project x", "project is no replica", "project/.prophet is one" },
      { 3, "--db project info", "project is not a replica", "project/.prophet is one" },
      { 12, "clone file x", "file: it is cut short", "is it a bundle" }, { 12, "clone letter x", "letter: it does not begin", "is it a bundle" },
      { 12, "clone filelink x", "filelink", "is it a bundle" },
      { 4, "clone a --db b", "b exists already" },
      { 4, "clone a b", "b exists already", "a clone makes its directory" }, { 4, "clone a file", "file exists already" },
      { 4, "clone a empty", "empty exists already" }, { 4, "clone a dangling", "dangling exists already" },
      { 3, "clone a no/x", "no directory to make no/x in", "make the directory above it" },
      { 3, "clone a file/x", "no directory to make file/x in" }, { 3, "clone a dangling/x", "no directory to make dangling/x in" },
      { 3, "clone foo://x x", "no transport for foo:", "there are file, http" }, { 6, "clone http://127.0.0.1:1/ x", "http://127.0.0.1:1/" },
      { 3, "clone 127.0.0.1:7733 x", "127.0.0.1:7733 does not exist", "did you mean http://127.0.0.1:7733 ?" },
      { 3, "clone localhost:7733 x", "no transport for localhost:", "did you mean http://localhost:7733 ?" },
      { 3, "clone ann@host:/bugs x", "does not exist", "did you mean ssh://ann@host/bugs ?" },
      { 3, "clone ann@host:bugs x", "does not exist", "did you mean ssh://ann@host/~/bugs ?" },
      { 2, "clone https://u:p@127.0.0.1:1/y x", "the URL of https://127.0.0.1:1/y has a password in it", "token" },
      { 2, "clone http://u@127.0.0.1:1/y x", "has a user in it", "token" }, { 2, "clone file://host/y x", "names another machine" },
      { 3, "clone d.depot x --seal nokey", "no key file nokey", "prophet key new" }, { 2, "clone d.depot x --seal letter", "letter is no key" },
      { 10, "clone d.depot x --seal k", "it is not sealed" },
      { 3, "clone d.depot x --token-file nofile", "nofile" }, { 2, "clone d.depot x --token-file empty", "the token file empty: Is a directory" },
      { 2, "clone d.depot x --token-file letter", "the first line of the token file letter is no token", "for prophet serve" },
    }
    prophet "clone a"
    refused { { 4, "clone a", ".prophet exists already", "give the directory: prophet clone a DIR" } }
  end)

  it("pull, push, sync and apply say what the other side is not", function()
    local cases = {
      { 2, "push file", "file is a file", "push and sync take replicas" }, { 2, "push all.bundle", "all.bundle is a file" },
      { 2, "sync all.bundle", "all.bundle is a file" }, { 3, "push other", "other is no replica" }, { 3, "push new", "new does not exist" },
      { 3, "push no/new.depot", "no directory to make no/new.depot in", "make the directory", late = true },
      { 3, "push file/new.depot", "no directory to make file/new.depot in", late = true },
      { 2, "sync --live all.bundle", "all.bundle" }, { 2, "sync --live --dry-run b", "no dry run" },
      { 2, "apply empty", "empty is no bundle" }, { 2, "apply d.depot", "d.depot is no bundle" }, { 12, "apply letter", "letter: it does not begin" },
      { 3, "apply nowhere", "nowhere does not exist", "a file that prophet bundle wrote" }, { 2, "apply http://127.0.0.1:1/b", "is no bundle" },
    }
    for _, verb in ipairs { "pull", "push", "sync" } do
      cases[#cases + 1] = { 3, verb .. " nowhere", "nowhere does not exist, and no remote is called that" }
      cases[#cases + 1] = { 3, verb .. " ./nowhere", "./nowhere does not exist" }
      cases[#cases + 1] = { 3, verb .. " dangling", "dangling does not exist" }
      for _, self in ipairs { "a", "a/", "./a", "link" } do cases[#cases + 1] = { 2, verb .. " " .. self, self .. " is this replica itself" } end
      cases[#cases + 1] = { 2, verb, verb .. " with whom?", "prophet remote add" }
      cases[#cases + 1] = { 6, verb .. " http://127.0.0.1:1/", "http://127.0.0.1:1/" }
      cases[#cases + 1] = { 3, verb .. " 127.0.0.1:7733", "127.0.0.1:7733 does not exist", "did you mean http://127.0.0.1:7733 ?" }
      cases[#cases + 1] = { 2, verb .. " https://u:p@127.0.0.1:1/", "has a password in it", "token" }
    end
    for _, case in ipairs(cases) do case[2] = "--db a " .. case[2] end
    refused(cases)
  end)

  it("remote, peers and adopt say what is not there", function()
    prophet "--db a remote add there d.depot"
    refused {
      { 4, "--db a remote add there b", "there is a remote there already" }, { 2, "--db a remote add x/y b", "is no name of a remote", late = true },
      { 2, "--db a remote add x https://u:p@h/x", "has a password in it", "token", late = true },
      { 2, "--db a remote add x http://u@h/x", "has a user in it", "token", late = true },
      { 2, "--db a remote add x 127.0.0.1:7733", "127.0.0.1:7733 does not exist", "did you mean http://127.0.0.1:7733 ?", late = true },
      { 2, "--db a remote add x localhost:7733/bugs", "does not exist", "did you mean http://localhost:7733/bugs ?", late = true },
      { 2, "--db a remote add x ann@host:/bugs", "does not exist", "did you mean ssh://ann@host/bugs ?", late = true },
      { 3, "--db a remote add x b --token-file nofile", "nofile" }, { 2, "--db a remote add x b --token-file empty", "empty: Is a directory" },
      { 3, "--db a remote show x", "there is no remote x", "remote list" }, { 3, "--db a remote remove thre", "thre", "did you mean there?" },
      { 3, "--db a remote rename x y", "there is no remote x" }, { 4, "--db a remote rename there there", "already", late = true },
      { 2, "--db a remote list x", "wants nothing more", "prophet remote list" }, { 2, "--db a remote frob", 'not "frob"' },
      { 2, "--db a remote show there --seal k", "no use for --seal" }, { 2, "--db a peers x", 'no use for "x"' },
      { 3, "--db nowhere peers", "nowhere is not a replica" }, { 3, "--db d.depot peers", "d.depot is not a replica", "prophet init" },
      { 3, "--db file adopt", "file is not a replica" },
    }
  end)

  it("publish, bundle, key and serve say where they cannot write", function()
    refused {
      { 2, "--db a publish file", "file is no depot" }, { 2, "--db a publish b", "b is no depot" }, { 2, "--db a publish link", "link is no depot" },
      { 9, "--db a publish http://127.0.0.1:1/x", "cannot be written to" },
      { 10, "--db a publish d.depot --seal k", "it is not sealed" },
      { 4, "--db a bundle file", "file exists already and is no bundle", "another path" }, { 4, "--db a bundle empty", "empty exists already" },
      { 3, "--db a bundle no/x", "no directory to make no/x in" }, { 3, "--db a bundle file/x", "no directory to make file/x in" },
      { 3, "--db a bundle x --since nowhere", "nowhere does not exist", "since takes a version" },
      { 3, "--db a bundle x --since 99", "there is no version 99" }, { 3, '--db a bundle x --since ""', "", "" },
      { 4, "key new file", "file exists already" }, { 3, "key new no/k", "no directory to make no/k in", late = true },
      { 2, "key old x", 'not "old"' }, { 2, "key new x --passphrase", "no passphrase" },
      { 2, "--db a serve --listen 127.0.0.1:99999", "127.0.0.1:99999 is no address", "HOST:PORT", late = true },
      { 2, "--db a serve --tls letter letter --listen 127.0.0.1:0", "certificate and key do not fit", "PEM", late = true },
      { 3, "--db a serve --tls nofile nofile --listen 127.0.0.1:0", "nofile", late = true },
      { 2, "--db a serve --token-file empty --listen 127.0.0.1:0", "the token file empty: Is a directory", late = true },
      { 13, "--db a serve --log no/log --listen 127.0.0.1:0", "the log no/log", late = true },
      { 2, "--db a serve extra", 'no use for "extra"', "prophet serve" }, { 3, "--db file serve", "file is not a replica" },
    }
  end)

  it("follows links to what they name, and writes a bundle in a link's place", function()
    shell "ln -s d.depot depotlink && ln -s all.bundle bundlelink"
    prophet "clone link c1"
    prophet "clone depotlink c2"
    prophet "clone bundlelink c3"
    prophet "--db b pull link"
    prophet "--db a publish depotlink"
    prophet "--db a bundle dangling"
    assert.is_nil(cli.read(dir .. "/nowhere"))
    assert.equal(cli.read(dir .. "/all.bundle"), cli.read(dir .. "/dangling"))
  end)

  it("does for one of two at once, and tells the other", function()
    for i = 1, 5 do
      local ended = shell(("for n in 1 2 3; do (prophet clone a c%d >/dev/null 2>&1; echo $?) & done; wait"):format(i))
      assert.equal("0 4 4", table.concat((function()
        local l = cli.lines(ended)
        table.sort(l)
        return l
      end)(), " "))
      assert.equal(prophet "--db a digest".out, prophet("--db c" .. i .. " digest").out)
      local keys = shell(("for n in 1 2 3; do (prophet key new k%d >/dev/null 2>&1; echo $?) & done; wait"):format(i))
      local _, made = keys:gsub("0\n", "")
      assert.equal(1, made, keys)
    end
    assert.equal("", shell "find . -name '*.tmp-*'")
    -- bundles and depots: all of them may write, and what is there is whole
    assert.equal("0\n0\n0\n", shell "for n in 1 2 3; do (prophet --db a bundle x.bundle >/dev/null 2>&1; echo $?) & done; wait")
    assert.equal("0\n0\n0\n", shell "for n in a b a; do (prophet --db $n publish e.depot >/dev/null 2>&1; echo $?) & done; wait")
    assert.equal("0\n0\n0\n0\n", shell "for n in 'a sync b' 'b sync a' 'a pull b' 'b push a'; do (prophet --db $n >/dev/null 2>&1; echo $?) & done; wait")
    prophet "clone x.bundle y"
    prophet "clone e.depot z"
    assert.equal(prophet "--db a digest".out, prophet "--db z digest".out)
  end)
end)

-- As somebody who may not write there; root may everywhere.
describe("without the right to write", function()
  local nobody
  before_each(function()
    dir = cli.scratch()
    if shell "id -u" == "0\n" then nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups" end
    prophet "init a"
    prophet "--db a settings colours red"
    prophet "--db a publish d.depot"
    prophet "--db a bundle all.bundle"
    shell "mkdir mine && chmod 777 mine && chmod -R a+rX . && chmod -R a-w a d.depot && chmod a-w ."
  end)
  after_each(function()
    shell "chmod -R u+w ."
    cli.remove(dir)
  end)

  local function stranger(args, status, says)
    local r = prophet(args, status, { env = nobody })
    if says then assert.truthy(r.err:find(says, 1, true), args .. "\n" .. r.err) end
    return r
  end

  it("all that only reads works", function()
    local digest = prophet "--db a digest".out
    for _, args in ipairs { "info", "digest", "log", "export", "settings", "remote", "peers", "stats", "bundle mine/b" } do stranger("--db a " .. args) end
    stranger "clone a mine/c1"
    stranger "clone d.depot mine/c2"
    stranger "clone all.bundle mine/c3"
    for _, name in ipairs { "c1", "c2", "c3" } do
      assert.equal(digest, stranger("--db mine/" .. name .. " digest").out)
      stranger("--db mine/" .. name .. " pull a")
      stranger("--db mine/" .. name .. " pull d.depot")
    end
  end)

  it("what writes says where it may not", function()
    stranger "clone a mine/c"
    stranger "--db mine/c settings colours blue"
    local before = shell "find a d.depot -type f | sort | xargs cat | sha256sum"
    stranger("--db mine/c push a", 9, "a cannot be written")
    stranger("--db mine/c sync a", 9, "a cannot be written")
    stranger("--db mine/c publish d.depot", 9, "d.depot")
    stranger("--db mine/c publish new.depot", 9, "create new.depot: Permission denied (look")
    stranger("--db mine/c bundle new.bundle", 9, "Permission denied (look")
    stranger("clone a new", 9, "Permission denied (look")
    stranger("key new new", 9, "create new: Permission denied (look")
    stranger("--db a pull mine/c", 9, "a")
    stranger("--db a apply all.bundle", 9, "a")
    stranger("--db a publish mine/e.depot", 9, "a")
    stranger("--db a remote add x mine/c", 9, "a")
    stranger("--db a settings colours green", 9, "a")
    assert.equal(before, shell "find a d.depot -type f | sort | xargs cat | sha256sum")
  end)
end)
