// A companion: a container of its own for the heartbeats, beside the application's, in the same account. Roles of the data
// plane cannot make containers, so this is for whoever deploys. In every region that the account has it is there at once.
//
//   az deployment group create --resource-group cells --template-file companion.bicep \
//     --parameters account=cells database=cell-state

@description('The account, whose regions all take writes.')
param account string

@description('The database that the container is to be in.')
param database string

@description('The name that the settings have under companion.container.')
param container string = 'tidegauge'

@description('Request units a second in each region; `tidegauge cost` says how many the heartbeats take.')
@minValue(400)
param throughput int = 400

resource cosmos 'Microsoft.DocumentDB/databaseAccounts@2024-11-15' existing = {
  name: account

  resource parentOfCompanion 'sqlDatabases' existing = {
    name: database
  }
}

resource companion 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2024-11-15' = {
  parent: cosmos::parentOfCompanion
  name: container
  properties: {
    resource: {
      id: container
      partitionKey: {
        paths: [
          '/pk'
        ]
        kind: 'Hash'
        version: 2
      }
      // What a slot is found by, and nothing else: each path more makes each write dearer, in every region.
      indexingPolicy: {
        indexingMode: 'consistent'
        automatic: true
        includedPaths: [
          {
            path: '/pk/?'
          }
        ]
        excludedPaths: [
          {
            path: '/*'
          }
        ]
      }
      // No defaultTtl: heartbeats are overwritten in place, and nothing accumulates.
    }
    options: {
      throughput: throughput
    }
  }
}
