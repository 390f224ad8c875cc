"""Pages for shoppers: the example shop and the hosted checkout. All of them are asynchronous."""
