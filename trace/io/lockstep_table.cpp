#include "trace/io/lockstep_table.h"

#include "trace/io/database.h"
#include "trace/io/schema_text.h"

namespace halfscope::trace {
namespace {

constexpr const char *table = R"(
DROP TABLE IF EXISTS lockstep;
CREATE TABLE lockstep (              -- one row an operation of a layer, over all runs; layer '': of none
    position INTEGER PRIMARY KEY,
    layer TEXT NOT NULL, operation TEXT NOT NULL,
    runs INTEGER NOT NULL, elements INTEGER NOT NULL, bit_equal INTEGER NOT NULL,
    different_statistics INTEGER NOT NULL) STRICT;
)";

} // namespace

void write_lockstep(const std::filesystem::path &directory, std::span<const Lockstep> records) {
    const std::filesystem::path file = directory / trace_file_name;
    Database database(file.string(), SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, file);
    Transaction transaction(database);
    database.execute(table);
    Statement insert(database, "INSERT INTO lockstep VALUES (?,?,?,?,?,?,?)");
    for (std::size_t i = 0; i < records.size(); ++i) {
        const Lockstep &record = records[i];
        insert << static_cast<std::int64_t>(i) << std::string_view(record.layer) << std::string_view(record.operation)
               << record.runs << record.elements << record.bit_equal << record.different_statistics;
        insert.run();
    }
    transaction.commit();
}

std::vector<Lockstep> read_lockstep(const std::filesystem::path &directory) {
    const std::filesystem::path file = directory / trace_file_name;
    Database database(file.string(), SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, file);
    if (database.integer("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'lockstep'") == 0)
        return {};
    std::vector<Lockstep> records;
    Statement row(database, "SELECT layer, operation, runs, elements, bit_equal, different_statistics FROM lockstep "
                            "ORDER BY position");
    while (row.next())
        records.push_back({row.text(0), row.text(1), row.integer(2), row.integer(3), row.integer(4), row.integer(5)});
    return records;
}

} // namespace halfscope::trace
