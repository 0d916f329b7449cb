print("nudged")
