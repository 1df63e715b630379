/** The thread of a database, as it always is, which may end its process in the middle of a transaction. */
import "./ordeal_driver.ts";
import "../../src/store/database_worker.ts";
