import Mail
import Testing

@Suite struct MessageListTests {
    private func list(_ uids: [UInt32]) -> MessageList {
        var list = MessageList()
        var changes = MessageList.Changes()
        list.merge(uids.map { ListedMessage(uid: $0) }, expunges: true, into: &changes)
        return list
    }

    /// What a client comes to that is told of these places one by one.
    private func told(_ places: [Int], to uids: [UInt32]) -> [UInt32] {
        var uids = uids
        for place in places where uids.indices.contains(place) { uids.remove(at: place) }
        return uids
    }

    @Test("places of what is gone are told in an order in which each is right when it is told")
    func order() {
        let uids: [UInt32] = [2, 3, 5, 7, 11, 13]
        for bits in 0..<64 {
            let gone = uids.indices.filter { bits >> $0 & 1 == 1 }
            let left = uids.indices.filter { bits >> $0 & 1 == 0 }.map { uids[$0] }

            var own = list(uids)
            for order in [gone, gone.reversed()] {
                own = list(uids)
                let places = own.remove(order)
                #expect(told(places, to: uids) == left && places == gone.reversed())
                #expect(own.messages.map(\.uid) == left)
            }

            var others = list(uids)
            var changes = MessageList.Changes()
            others.merge(left.map { ListedMessage(uid: $0) }, expunges: true, into: &changes)
            #expect(told(changes.expunged, to: uids) == left && changes.expunged == gone.reversed())
            #expect(others.messages == own.messages)
        }
    }

    @Test("of UIDs that are no longer valid all are told as gone, the last one first")
    func all() {
        var list = list([1, 2, 3])
        #expect(list.removeAll() == [2, 1, 0])
        #expect(list.count == 0)
    }

    @Test(
        "what is gone keeps its place until its client may hear of it, and flags are told of the place behind that"
    )
    func places() {
        var list = list([1, 2, 3, 4])
        let now = [
            ListedMessage(uid: 2, flags: .seen), ListedMessage(uid: 4, flags: .flagged),
            ListedMessage(uid: 5),
        ]
        var changes = MessageList.Changes()
        list.merge(now, expunges: false, into: &changes)
        #expect(changes == MessageList.Changes(flagsChanged: [1, 3], appended: 1))
        #expect(list.messages.map(\.uid) == [1, 2, 3, 4, 5])
        changes = MessageList.Changes()
        list.merge(now.dropFirst(), expunges: true, into: &changes)
        #expect(changes == MessageList.Changes(expunged: [2, 1, 0]))
        list.setFlags([], at: 0)
        changes = MessageList.Changes()
        list.merge(now.dropFirst(), expunges: true, into: &changes)
        #expect(changes == MessageList.Changes(flagsChanged: [0]))
    }
}
