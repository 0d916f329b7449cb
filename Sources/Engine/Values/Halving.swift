extension Array {
    /// Where the first element stands that is not before something, found by halving; the array's end if all are before it.
    ///
    /// - Parameter isBefore: true for the first of the elements, and false from there on.
    func firstIndex(notBefore isBefore: (Element) -> Bool) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if isBefore(self[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
