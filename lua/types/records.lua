---@meta prophet

--- A record type: `db.types.ticket`
---@class prophet.Type
---@field name string
local type = {}

--- A new record.
---@param fields table<string, any>
---@return prophet.Record
function type:create(fields) end

--- A record by local number, id or unique tail of an id; nil if there is none.
---@param name string|integer
---@param options? { deleted: boolean? }
---@return prophet.Record?
function type:get(name, options) end

--- The same, but raises `not_found`.
---@param name string|integer
---@return prophet.Record
function type:must(name) end

--- A query: lazy, reusable.
---@param where? table
---@return prophet.Query
function type:find(where) end

--- A query in the text form: `status!=closed tags:ui owner=?1 sort:-due limit:20`. Errors name the column.
---@param text string
---@param ... any              what ?1, ?2 .. stand for
---@return prophet.Query
function type:search(text, ...) end

--- A query the schema names.
---@param name string
---@param args? table
---@return any
function type:query(name, args) end

--- The record with this key, made or changed.
---@param key table<string, any>
---@param fields table<string, any>
---@return prophet.Record
function type:upsert(key, fields) end

--- Changes a record.
---@param name string|integer
---@param fields table<string, any>
---@return prophet.Record
function type:update(name, fields) end

--- Deletes a record.
---@param name string|integer
function type:delete(name) end

--- How many records fit.
---@param where? table
---@return integer
function type:count(where) end

--- What the type is: name, fields, indexes, key, summary.
---@return table
function type:schema() end

--- A record as it was read. It never changes: verbs give the next snapshot.
---@class prophet.Record
---@field id string
---@field n integer                  its number on this replica
---@field type string
---@field version integer
---@field [string] any               fields; an unknown name raises `unknown_field`
local record = {}

--- A field's value; of a reference the id.
---@param name string
---@return any
function record:get(name) end

--- All fields as a plain table.
---@return table<string, any>
function record:fields() end

--- Sets fields; `stale` if one of them changed since this snapshot.
---@param fields table<string, any>
---@param options? { force: boolean? }
---@return prophet.Record
function record:set(fields, options) end

--- Takes values away.
---@param field string
---@return prophet.Record
function record:unset(field) end

--- Adds to a set.
---@param field string
---@param value any   an element, or a list of them
---@return prophet.Record
function record:add(field, value) end

--- Takes from a set.
---@param field string
---@param value any   an element, or a list of them
---@return prophet.Record
function record:remove(field, value) end

--- Adds to a counter.
---@param field string
---@param by? integer
---@return prophet.Record
function record:incr(field, by) end

--- Sets a field to what fn makes of it.
---@param field string
---@param fn fun(old: any): any
---@return prophet.Record
function record:edit(field, fn) end

--- Deletes the record; its history stays.
---@return prophet.Record
function record:delete() end

--- Brings a deleted record back.
---@return prophet.Record
function record:restore() end

--- What happened to it, oldest first.
---@return fun(): prophet.Step?
function record:history() end

---@class prophet.Blamed
---@field value any
---@field changeset string?               nil: the change that is open writes it
---@field version integer
---@field author string?
---@field time prophet.time?
---@field replica string
---@field decided_by "votes"|"rule"|nil   in a conflict
---@field votes prophet.Vote[]?           those that decided
---@field rule string?                    the rule that decided

--- Who is behind what each field shows, and who decided where it is in conflict.
---@return table<string, prophet.Blamed>
function record:blame() end

--- The record as it was; nil: it was not there, or deleted.
---@param point prophet.Point
---@return prophet.Record?
function record:at(point) end

--- What changed since a point, or between two. Prints.
---@param from prophet.Point
---@param to? prophet.Point   now if absent
---@return prophet.FieldDifference[]
function record:diff(from, to) end

--- Writes the fields as they were at a point.
---@param point prophet.Point
---@return prophet.Record
function record:revert(point) end

--- Its conflicts.
---@param options? prophet.ConflictOptions
---@return fun(): prophet.Conflict?
function record:conflicts(options) end

---@class prophet.Step
---@field id string
---@field version integer
---@field time prophet.time
---@field author? string
---@field message? string
---@field replica string
---@field action? "create"|"update"|"delete"
---@field changes { field: string, op: string, old: any, new: any }[]

--- A query is a value: each method gives a new one, or an answer.
---@class prophet.Query
local query = {}

--- More conditions: all are to hold.
---@param where table
---@return prophet.Query
function query:where(where) end

--- Sorts: field names, descending with a leading "-"; "-score": what fits the words of a match best comes first.
---@param ... string
---@return prophet.Query
function query:order(...) end

--- So many at most.
---@param count integer
---@return prophet.Query
function query:limit(count) end

--- Rows behind this record, in the query's order.
---@param record prophet.Record
---@return prophet.Query
function query:after(record) end

--- Rows as plain tables of these fields.
---@param ... string
---@return prophet.Query
function query:select(...) end

--- Allows it to read everything.
---@return prophet.Query
function query:scan() end

--- Reads ahead what these references and many-fields lead to, 100 rows at a time.
---@param ... string
---@return prophet.Query
function query:with(...) end

--- Reads this index, named as it is declared.
---@param index string         as in "status,-due"
---@return prophet.Query
function query:using(index) end

--- How it is run; `tostring` says it in a line.
---@param options? { run: boolean?, count: boolean?, group: string? }   count, group: how these are told
---@return prophet.Plan
function query:explain(options) end

---@class prophet.SnippetOptions
---@field before? string   in front of each find; "["
---@field after? string    behind it; "]"
---@field words? integer   about so many are shown; 24
---@field escape? fun(text: string): string   what becomes of the text itself, as for HTML

--- What the query's matches found in a row: the part of a text that shows most of it, and the field's name.
---@param record prophet.Record
---@param options? prophet.SnippetOptions
---@return string? text     nil: no text of the record's own has a word of them
---@return string? field
function query:snippet(record, options) end

--- How many rows each value of a field has; `pairs` gives them by value.
---@param field string
---@return table<any, integer>
function query:group(field) end

--- Sets fields in all rows: in one change, or several when they are more than a changeset takes. Rows that are deleted by then are passed over.
---@param fields table<string, any>|fun(t: prophet.Record): table<string, any>?
---@return integer rows, integer changesets
function query:update(fields) end

--- Deletes all rows.
---@return integer rows, integer changesets
function query:delete() end

--- for t in q:each() do
---@return fun(): prophet.Record?
function query:each() end

---@return prophet.Record[]
function query:all() end

---@return prophet.Record?
function query:first() end

--- The only record; raises `not_found` or `ambiguous`.
---@return prophet.Record
function query:one() end

--- The only record, or nil; raises `ambiguous`.
---@return prophet.Record?
function query:one_or_none() end

---@return integer
function query:count() end

---@return boolean
function query:exists() end

--- Tells of rows that enter, change and leave, when db:poll or db:run runs. What leaves because it was deleted is given as it was last.
---@param fn fun(event: "enter"|"change"|"leave", record: prophet.Record, origin: prophet.Origin): boolean?
---@return prophet.Watch
function query:watch(fn) end

--- Who is behind what a watch tells, and whether it was written here.
---@class prophet.Origin
---@field version integer
---@field changeset string
---@field author? string
---@field time prophet.time
---@field message? string
---@field replica string
---@field local boolean

---@class prophet.Watch
local watch = {}

--- Is told nothing more. `local w <close> = query:watch(..)` does it at the end of the block.
function watch:close() end

---@class prophet.Plan
---@field plan "scan"|"numbers"|"ids"|"index"|"union"|"intersect"|"match"
---@field text string               in a line
---@field index? string             which are read
---@field order "index"|"number"|"sort"|"top"
---@field scans boolean             more than `reads` keys of it raise `needs_scan`
---@field tests boolean             rows are looked at, keys alone do not tell
---@field estimated? integer        keys
---@field help? string              fields an index of which would help
---@field warnings? string[]         values that are asked for, and that the field is declared without
---@field keys? integer             read
---@field tested? integer
---@field rows? integer            of a group: values
---@field fetched? integer         rows read; 0: keys told it all
---@field group? string
---@field ms? number

--- Conditions, for the values of find and where.
---@class prophet.q
local q = {}

---@class prophet.Condition

--- Is this a condition?
---@param value any
---@return boolean
function q.is(value) end
---@param value any
---@return prophet.Condition
function q.eq(value) end
---@param value any
---@return prophet.Condition
function q.ne(value) end
---@param value any
---@return prophet.Condition
function q.lt(value) end
---@param value any
---@return prophet.Condition
function q.le(value) end
---@param value any
---@return prophet.Condition
function q.gt(value) end
---@param value any
---@return prophet.Condition
function q.ge(value) end
--- Both ends included.
---@param low any
---@param high any
---@return prophet.Condition
function q.between(low, high) end
---@param list any[]
---@return prophet.Condition
function q.one_of(list) end
---@param list any[]
---@return prophet.Condition
function q.none_of(list) end
--- A set or list has this element.
---@param value any
---@return prophet.Condition
function q.has(value) end
---@param list any[]
---@return prophet.Condition
function q.has_any(list) end
---@param list any[]
---@return prophet.Condition
function q.has_all(list) end
---@param text string
---@return prophet.Condition
function q.prefix(text) end
---@param text string
---@return prophet.Condition
function q.contains(text) end
--- Full text: all of these words, in any form; "a phrase", word*, -word, a OR b.
---@param text string
---@return prophet.Condition
function q.match(text) end
---@return prophet.Condition
function q.present() end
---@return prophet.Condition
function q.missing() end
--- Any of the conditions: an entry without a key.
---@param conditions table[]
---@return prophet.Condition
function q.any(conditions) end
--- All of them.
---@param conditions table[]
---@return prophet.Condition
function q.all(conditions) end
--- None of them.
---@param conditions table[]
---@return prophet.Condition
function q.none(conditions) end
--- A Lua function of the record, asked after all else.
---@param fn fun(record: prophet.Record): boolean
---@return prophet.Condition
function q.fn(fn) end
