-- What wrk sends for the creates of scripts/bench: the body is the file that CREATE names.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = assert(io.open(os.getenv("CREATE"))):read("*a")
